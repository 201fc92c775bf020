"""The simulator's fidelity `vllm`: vLLM's own scheduler and KV cache on a virtual clock.

Its modules import vLLM. Who only wants to offer it imports `treadle.serving.simulator.vllm_engine`.
"""
