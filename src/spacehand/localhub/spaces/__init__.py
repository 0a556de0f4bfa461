"""What an owner sets for a Space outside its repository: hardware, secrets, variables, sleep, volumes."""
