"""The web app: `python app.py`."""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the page is served Ctrl-C ends it at once, as SIGTERM does

    from app.main import main
    from app.process import end

    end(main())
