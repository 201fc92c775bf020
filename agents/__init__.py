"""treadle.agents"""
