"""Contract tests for rewards: what every reward must keep, and a bank of completions to check it on.

from rewards.contracts import check_reward

def test_my_reward_keeps_its_contracts():
    assert not [result for result in check_reward(my_reward) if result.broken]
"""

from .bank import Bank, Case, Ladder, shipped_bank
from .check import check_reward
from .result import CONTRACTS, ContractResult

__all__ = ["CONTRACTS", "Bank", "Case", "ContractResult", "Ladder", "check_reward", "shipped_bank"]
