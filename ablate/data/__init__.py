"""Data sets: files -> uint8 images in a cache, subsets, preprocessing, and augmentation on the training device.

This package does not import nets, study or train.
"""
