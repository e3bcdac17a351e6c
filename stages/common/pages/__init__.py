"""What the pages are made of: one module a section, over one layout."""
