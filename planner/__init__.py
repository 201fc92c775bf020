"""treadle.planner"""
