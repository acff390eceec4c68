# SPDX-License-Identifier: Apache-2.0
"""The training scripts are plain modules in one folder; make them importable."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "models", "train"))
