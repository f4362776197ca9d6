"""Songs, noises, and the pairs that are made of them."""
