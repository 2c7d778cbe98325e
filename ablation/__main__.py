"""`python -m ablation`."""

from ablation.cli.main import main

if __name__ == "__main__":
    main()
