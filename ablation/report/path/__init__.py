"""What each change on the path to a confirmation's chosen setting was worth."""
