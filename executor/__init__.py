"""treadle.executor"""
