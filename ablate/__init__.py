"""ablate: which part of my network matters? Ablation studies and architecture search for image classifiers."""

__version__ = "0.1.0"
