"""The tested implementations behind Runnable Notes; import from its modules."""
