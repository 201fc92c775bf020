"""treadle.serving"""
