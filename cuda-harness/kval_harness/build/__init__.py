"""Build: from what a candidate asked torch to compile to a loadable extension, or to the compiler's own words."""
