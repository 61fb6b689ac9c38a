"""What runs on CUDA alone: `python -m tests.gpu` measures and checks it on a GPU; the tests here need none."""
