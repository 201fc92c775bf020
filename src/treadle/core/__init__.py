"""What every floor of Treadle stands on: errors, events, the chat protocol, budgets, time."""
