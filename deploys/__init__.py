"""What a person does to a site many times a day, with pyinfra: facts, operations, deploys."""
