"""report.html: one file that opens offline. Templates lie beside the code; content is plain values."""
