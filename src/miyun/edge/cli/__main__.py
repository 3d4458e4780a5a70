from miyun.edge.cli import main

main()
