"""`zoo.erase`: a person's records leave the data, and every model that saw them leaves service."""
