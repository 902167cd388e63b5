"""What goes beyond the course: programs to run and to read, which no notebook builds upon."""
