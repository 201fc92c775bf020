"""treadle.memory"""
