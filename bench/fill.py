# Fills a database of the app with tenants: python3 fill.py FILE FIRST LAST, with node's installation() as JSON on
# standard input, in which NUMBER stands for the tenant's number.
import sqlite3
import sys

file, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
template = sys.stdin.read()
database = sqlite3.connect(file)
rows = ((f"bench-tenant-{number}", "clientInfo", template.replace("NUMBER", str(number))) for number in range(first, last + 1))
database.executemany('INSERT INTO "AddonSettings" ("clientKey", "key", "val") VALUES (?, ?, ?)', rows)
database.commit()
