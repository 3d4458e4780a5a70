from miyun.hsm.token.process import main

raise SystemExit(main())
