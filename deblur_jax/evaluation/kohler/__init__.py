"""Köhler's benchmark: its folder, its alignment and its own multi-scale SSIM."""
