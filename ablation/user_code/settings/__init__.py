"""The settings of a user's code: as data, as a class, and what the class says of them."""
