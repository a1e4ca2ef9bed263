"""One module for each output; pure: results in, text out."""
