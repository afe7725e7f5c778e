"""What a network is chosen from, by name, without Keras: it is imported by what makes a layer, no sooner."""
