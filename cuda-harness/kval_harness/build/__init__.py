"""Build: from what a candidate asked torch to compile to a loadable extension, or to the compiler's own words.

Entrances: `build_candidate` and `Builder` (`candidate.py`), `build_extension` (`extension.py`), `BuildCache`
(`cache.py`), `find_toolchain` and `describe` (`toolchain.py`).
"""
