"""The R1 shock of January 2025: its runs, tables, findings and report."""
