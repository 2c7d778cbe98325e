"""A CRNN for Fashion-MNIST, its training, and the ablation studies made of it."""
