"""Forward passes over a cache and its view, one engine a kind of device."""
