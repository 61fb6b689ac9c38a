"""What it means: records -> summaries -> tables and figures. Same records, same bytes."""
