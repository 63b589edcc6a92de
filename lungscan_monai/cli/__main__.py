"""`python -m lungscan_monai.cli`, where the command `lungscan` is not on the path."""

from lungscan_monai.cli import main

main()
