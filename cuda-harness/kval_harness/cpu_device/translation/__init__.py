"""PTX into C++."""
