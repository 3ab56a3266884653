package main

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/postgres"
)

// searchPlans is how Postgres carries out the searches of a kind.
type searchPlans struct {
	count, page planned
}

// planned is how a query of a search is carried out: by which indexes, and whether the whole book, or
// most of it, is read.
type planned struct {
	by    map[string]bool
	whole bool
}

func (p planned) String() string { return strings.Join(slices.Sorted(maps.Keys(p.by)), " or ") }

// explainRounds is how many searches of a kind are looked at: Postgres may settle on one plan for all
// after five.
const explainRounds = 8

// explain makes some searches of a kind on a connection that tells of the plan of each query.
func (b *bookBench) explain(ctx context.Context, kind searchKind) (p searchPlans, err error) {
	var told []string
	pool, err := postgres.Open(ctx, b.postgres.URL(""), postgres.WithMaxConns(1), func(c *pgxpool.Config) {
		c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { told = append(told, n.Message) }
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice;
				SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off`)
			return err
		}
	})
	if err != nil {
		return p, err
	}
	defer pool.Close()
	book := contacts.NewBook(pool, contacts.NoFence{})
	p = searchPlans{planned{by: map[string]bool{}}, planned{by: map[string]bool{}}}
	for i := range explainRounds {
		if _, err := b.search(ctx, book, kind, i, &searchRow{}); err != nil {
			return p, err
		}
	}
	for _, plan := range told {
		switch {
		case strings.Contains(plan, "Query Text: SELECT count(*)"):
			p.count.add(plan, b.crowd.all())
		case strings.Contains(plan, "Query Text: SELECT"):
			p.page.add(plan, b.crowd.all())
		}
	}
	return p, nil
}

var (
	scanned = regexp.MustCompile(`Index (?:Only )?Scan (?:Backward )?(?:using|on) (\w+)|(Seq Scan on contacts)`)
	passed  = regexp.MustCompile(`Rows Removed by (?:Filter|Index Recheck): (\d+)|Scan .*actual rows=(\d+)`)
)

// add notes a plan of a book with so many contacts. An index of which most is read, since nearly all it
// leads to are not what is searched or not of the page, is as bad as none.
func (p *planned) add(plan string, all int) {
	var by []string
	for _, scan := range scanned.FindAllStringSubmatch(plan, -1) {
		if scan[2] != "" {
			p.whole = true
			by = append(by, "Seq Scan")
			continue
		}
		by = append(by, strings.TrimPrefix(scan[1], "contacts_"))
	}
	p.by[strings.Join(by, "+")] = true
	for _, number := range passed.FindAllStringSubmatch(plan, -1) {
		if rows, err := strconv.Atoi(number[1] + number[2]); err == nil && rows > all/2 {
			p.whole = true
		}
	}
}
