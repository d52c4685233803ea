"""Section 5.3 of the Columbia report: three kernels, three sizes, restored and measured."""
