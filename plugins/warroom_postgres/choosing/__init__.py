"""What a person chooses from before a plan is made: backups, and databases beside the live one."""
