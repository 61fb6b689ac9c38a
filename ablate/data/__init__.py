"""Data sets: files -> uint8 images, once into a cache; subsets, preprocessing, augmentation on the device. A leaf."""
