"""The file the Hub starts: ``python app.py``."""

from stroke_deepisles_demo.ui.app import main

if __name__ == "__main__":
    main()
