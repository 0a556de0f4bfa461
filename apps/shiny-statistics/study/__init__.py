"""Clinical statistics: one file for each analysis, each a plain function of a table and its options."""
