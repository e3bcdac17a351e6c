"""What a study is: its parameters, its trainings, and the resolved settings of each."""
