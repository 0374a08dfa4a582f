"""Rewards: pure functions on plain values inside thin objects, and the mix that makes one number of them.

From a config: `rewards.loading.build_mix`. In a script of one's own: `CompositeReward`.
"""
