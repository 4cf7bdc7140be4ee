"""What a person does to a site many times a day, with pyinfra: ship a release, go back, look."""
