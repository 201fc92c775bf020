"""Wordings, the tools of their plans, and pieces that their plans must contain.

`|` separates the fields, `;;` the pieces; `*` after a tool means that it runs for each item.
"""

WORDINGS = r"""
what is 17 * 23 | calculate | "17 * 23" ;; 17 * 23 = ${calc}
What’s 17×23? | calculate | "17 * 23"
compute (3+4)/2 and 2^10 | calculate calculate | "(3 + 4) / 2" ;; "2 ** 10"
17 plus 4 | calculate | "17 + 4"
15% of 240 | calculate | 15 / 100 ;; 240
square root of 144 | calculate | sqrt(144)
sum of 3, 4 and 5 | calculate | 3 + 4 + 5
What's the average of 10, 20, and 60? | calculate | (10 + 20 + 60) / 3
7 times 8 minus 3 | calculate | "7 * 8 - 3"
Could you please tell me what 12 divided by 5 is | calculate | "12 / 5"
what is seventeen times twenty three | calculate | "17 * 23"
subtract 3 from 10, then multiply 4 by 5 | calculate calculate | (10) - (3) ;; (4) * (5)
1,000 + 2,500 | calculate | "1000 + 2500"
2 ** 3 ** 2 | calculate | "2 ** 3 ** 2"
remainder of 10 divided by 3 | calculate | "10 % 3"
half of 90 and double 7 | calculate calculate | (90) / 2 ;; 2 * (7)
what percentage is 30 of 120 | calculate | (30) / (120) * 100
is 17*23 more than 390? | calculate calculate sort_records | "17 * 23" ;; 390 ;; larger[0].expression
which is bigger, 2^10 or 10^3? | calculate calculate calculate sort_records | 10 ** 3
which is longer, README.md or CHANGELOG.md | file_statistics file_statistics sort_records | README.md ;; CHANGELOG.md ;; "by": "lines" ;; most lines
Is README.md longer than CHANGELOG.md? | file_statistics file_statistics sort_records | "by": "lines"
a.txt vs b.txt: which one is shorter? | file_statistics file_statistics sort_records | "descending": false ;; fewest lines
compare a.txt, b.txt and c.txt by words | file_statistics file_statistics file_statistics sort_records render_list | "by": "words"
rank "my notes.txt", 'other file.txt' and `third.md` by size | file_statistics file_statistics file_statistics sort_records render_list | my notes.txt ;; other file.txt ;; "by": "bytes"
Compare the following files by words:\n- a.txt\n- b.txt\n- c.txt | file_statistics file_statistics file_statistics sort_records render_list | c.txt
rank all python files in src by lines | list_files file_statistics* sort_records render_list | **/*.py ;; "folder": "src" ;; "by": "lines"
largest 3 files in data | list_files file_statistics* sort_records render_list | "limit": 3 ;; "by": "bytes" ;; "folder": "data"
shortest markdown file | list_files file_statistics* sort_records render_list | "limit": 1 ;; "descending": false ;; **/*.md
Which python file has the most lines? | list_files file_statistics* sort_records render_list | "limit": 1
top 3 longest markdown files in docs | list_files file_statistics* sort_records render_list | "limit": 3 ;; "by": "lines"
sort the files in data by size, smallest first | list_files file_statistics* sort_records render_list | "descending": false
which is the newest file in logs? | list_files file_statistics* sort_records render_list | "by": "modified" ;; "folder": "logs"
what differs between a.txt and b.txt | read_file read_file compare_texts | ${compared.diff}
are a.txt and b.txt identical | read_file read_file compare_texts | identical
how many *.py files are there | list_files count_items | **/*.py ;; ${file_count}
list the markdown files under docs | list_files count_items render_list | **/*.md ;; "folder": "docs"
what files are in the docs folder? | list_files count_items render_list | "folder": "docs"
ls docs | list_files count_items render_list | "folder": "docs"
how many files are in src and docs? | list_files count_items list_files count_items calculate | "folder": "src" ;; "folder": "docs"
list all json and yaml files | list_files count_items render_list list_files count_items render_list | **/*.json ;; **/*.y*ml
does config.yaml exist? | list_files count_items | config.yaml
find TODO in all python files | search_files count_items render_list | "text": "TODO" ;; **/*.py
which files mention 'async def' | search_files count_items render_list | "text": "async def"
count the occurrences of error in logs/*.log | search_files count_items | "text": "error" ;; logs/*.log
how often does the word error appear in app.log? | search_files count_items | "text": "error" ;; app.log
does README.md mention docker? | search_files count_items render_list | "text": "docker"
grep -r TODO src | search_files count_items render_list | "text": "TODO" ;; "folder": "src"
Find every line with FIXME in src/ | search_files count_items render_list | "text": "FIXME" ;; "folder": "src"
where is foo_bar defined? | search_files count_items render_list | foo_bar
for every *.md under docs, count the words | list_files file_statistics* render_list count_items sum_field | "folder": "docs" ;; **/*.md
in the docs folder, count the words of each markdown file | list_files file_statistics* render_list count_items sum_field | "folder": "docs"
give me the number of lines of each .py file and the total | list_files file_statistics* render_list count_items sum_field | "field": "lines"
how many words are there in total across all .md files in docs | list_files file_statistics* count_items sum_field | "field": "words"
summarise each text file in notes | list_files read_file* summarize* render_list render_list | **/*.txt ;; "folder": "notes"
For each text file in notes/, give me a two-sentence summary | list_files read_file* summarize* render_list render_list | "sentences": 2
total amount by region in sales.csv | query_table render_list | sum(v0) ;; (?i)^(?:region|regions)$ ;; "files": ["sales.csv"]
average price per category from data/items.parquet | query_table render_list | avg(v0) ;; FROM \"items\"
sum of revenue grouped by country in x.json | query_table render_list | (?:country|countries)
how many rows per status in orders.csv | query_table render_list | count(*) ;; status
which region has the highest total amount in sales.csv | query_table render_list | QUALIFY rank() ;; <= 1
max temperature by city in weather.csv | query_table render_list | max(v0) ;; city
total amount in sales.csv | query_table | ${table[0].total_amount}
how many rows has sales.csv | describe_table | ${table.rows}
columns of sales.csv | describe_table render_list | ${table.columns}
total amount by region in sales.csv where status is paid | query_table render_list | lower('paid')
average unit price by region in sales.csv | query_table render_list | ^unit[ _-]*(?:price|prices)$
for each region in sales.csv, compute the total amount | query_table render_list | region ;; sum(v0)
Using sales.csv, group by region and sum amount | query_table render_list | region ;; sum(v0)
rank the regions in sales.csv by total amount | query_table render_list | region ;; sum(v0)
top 5 products by revenue in sales.csv | query_table render_list | <= 5 ;; product
how many rows in sales.csv have status paid | query_table | lower('paid') ;; count(*)
how many rows of orders.csv have amount greater than 50 | query_table | > 50
number of distinct customers in orders.csv | query_table | count(DISTINCT v0)
show me the first 5 rows of sales.csv | query_table render_list | LIMIT 5
fetch http://127.0.0.1:8001/x and http://127.0.0.1:8001/y and compare them | fetch_url fetch_url sort_records render_list compare_texts | http://127.0.0.1:8001/x
which page is longer, http://a/x or http://b/y | fetch_url fetch_url sort_records render_list | "by": "words"
get http://localhost:9/x and summarise it | fetch_url summarize | localhost:9/x
word count of http://a/x | fetch_url | .words}
summarise README.md in 2 sentences | read_file summarize | "sentences": 2
give me the gist of notes.txt | read_file summarize | notes.txt
tl;dr of docs/a.md | read_file summarize | docs/a.md
what time is it | current_time | ${now}
what time is it in Tokyo? | current_time | Asia/Tokyo
how many days between 2024-01-01 and 2024-03-01 | date_difference | 2024-01-01 ;; 2024-03-01 ;; .days}
how many days are there between March 1, 2024 and 5 June 2024? | date_difference | 2024-06-05
what date is 90 days after 2024-02-10 | add_to_date | "days": 90
what was the date 10 days ago? | current_time add_to_date | "days": -10
weeks until 2030-01-01 | current_time date_difference calculate | / 7
2024-03-01 minus 2024-01-01 | date_difference | "start": "2024-01-01"
show me the first 10 lines of x.txt | read_file | "max_lines": 10
lines 5 to 20 of src/a.py | read_file | "first_line": 5 ;; "max_lines": 16
print the last 5 lines of app.log | file_statistics calculate read_file | "first_line": "${
how big is x.bin | file_statistics | .bytes}
what is in notes.txt? | read_file | notes.txt
read notes.txt and count its words | read_file file_statistics | .words}
how many words are in 'the quick brown fox' | text_statistics | the quick brown fox
compare README.md and CHANGELOG.md by lines, tell me 17*23, and list the csv files | file_statistics file_statistics sort_records calculate list_files count_items render_list | 17*23 = ${calc} ;; **/*.csv
First count the words in a.md. Then count the words in b.md. Which has more? | file_statistics file_statistics sort_records | "by": "words"
I'd like to know how many python files there are, and also what 5% of 200 is. | list_files count_items calculate | **/*.py
(1) sum of 1 and 2 (2) how many md files are there | calculate list_files count_items | 1 + 2
- word count of a.txt\n- 3+4\n- summarise b.txt | file_statistics calculate read_file summarize | "3 + 4"
Please do the following:\n1. Count the lines of README.md\n2. Compute 12*12\n3. List all csv files in data\nThanks! | file_statistics calculate list_files count_items render_list | 12 * 12 ;; "folder": "data"
"""

OUT_OF_RANGE = """
write me a poem about the sea
translate README.md to French
delete all the csv files
what is the capital of France?
hello
version 1.2.3 is older than 1.10.0?
what was the total revenue in 2024 in sales.csv
total amount for north in sales.csv
most common words in a.txt
rewrite notes.txt in a friendlier tone
24/7
"""
