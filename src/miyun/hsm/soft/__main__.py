import sys

from miyun.hsm.soft.process import main

sys.exit(main())
