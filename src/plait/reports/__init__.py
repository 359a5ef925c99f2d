"""What a person looks at: tables, pictures, pages, coloured structures, and the record of a run."""
