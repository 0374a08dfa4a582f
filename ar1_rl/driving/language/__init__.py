"""Reading driving English: clauses, who acts in them, and what a verb with its arguments names. No driving physics."""
