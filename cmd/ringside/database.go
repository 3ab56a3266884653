package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/configs"
	"ringside/internal/org"
	"ringside/internal/postgres"
	"ringside/internal/problem"
	"ringside/internal/seal"
)

// database is an open, migrated Postgres: the one that is set, or the private one.
type database struct {
	*pgxpool.Pool
	server  *postgres.Server // nil unless private
	applied []string         // migrations that opening it has applied
	// unguarded says why the database does not keep organisations apart; nil: it does.
	unguarded *postgres.UnguardedError
}

// unlocked is what opens the secrets of a database.
type unlocked struct {
	secret     []byte     // signs what has to be believed for a while
	keys       *seal.Ring // seals what is kept
	erasureKey []byte     // under which erased people are remembered
}

// unlock gets the program's keys and makes sure that they are this database's. What lies there in plain, from
// before there was sealing, is sealed.
func (db *database) unlock(ctx context.Context, config configs.Config) (u unlocked, err error) {
	if sealed, err := org.HasSealed(ctx, db.Pool); err != nil {
		return u, err
	} else if sealed && !config.HasSigningKey() { // one that is made now would open nothing
		return u, fmt.Errorf("the secrets in this database are sealed, and no key is set: set RINGSIDE_SECRET_KEY, or RINGSIDE_DATA_DIR to the folder with the secret.key that was made (here %s)", config.DataDir)
	}
	if u.secret, err = config.SigningKey(); err != nil {
		return u, err
	}
	if u.keys, err = seal.NewRing(u.secret, config.PreviousKeys()...); err != nil {
		return u, err
	}
	u.erasureKey, err = org.Unlock(ctx, db.Pool, u.keys, u.secret)
	return u, err
}

// orgs returns the organisations for a command that reads or writes secrets.
func (db *database) orgs(ctx context.Context, config configs.Config) (*org.Store, error) {
	u, err := db.unlock(ctx, config)
	if err != nil {
		return nil, err
	}
	return org.NewStore(db.Pool).WithKeys(u.keys), nil
}

// openDatabase connects and brings the schema up to date.
func openDatabase(ctx context.Context, config configs.Config, log *slog.Logger) (*database, error) {
	db := &database{}
	url := string(config.DatabaseURL)
	if url == "" {
		server, err := postgres.StartPrivate(ctx, config.DataDir, log)
		if err != nil {
			return nil, fmt.Errorf("start the private Postgres (set DATABASE_URL to use your own): %w", err)
		}
		db.server, url = server, server.URL("")
	}
	pool, err := postgres.Open(ctx, url)
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.Pool = pool
	if db.applied, err = postgres.Migrate(ctx, pool); err != nil {
		return nil, errors.Join(err, db.close())
	}
	err = postgres.Guard(ctx, pool)
	if reason, ok := errors.AsType[*postgres.UnguardedError](err); ok {
		db.unguarded = reason
	} else if err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// close gives up the connections, and the private server if it is one.
func (db *database) close() error {
	if db.Pool != nil {
		db.Pool.Close()
	}
	if db.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return db.server.Stop(ctx)
}

// withDatabase runs a command that needs the database and ends. That the private server comes and
// goes with it is worth no line. A signal interrupts the command and the server is still stopped.
func (a *app) withDatabase(f func(ctx context.Context, db *database) error) (err error) {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	defer func() {
		if ctx.Err() != nil && err != nil {
			err = fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	}()
	quiet := a.config
	if quiet.LogLevel == slog.LevelInfo {
		quiet.LogLevel = slog.LevelWarn
	}
	db, err := openDatabase(ctx, a.config, quiet.NewLogger(a.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	return f(ctx, db)
}

// orgFlag names the organisation of a command; with a single organisation it may be left out.
type orgFlag struct {
	Org string `help:"The organisation's id; may be left out if there is only one." placeholder:"ID"`
}

func (f orgFlag) find(ctx context.Context, store *org.Store) (org.Org, error) {
	if f.Org != "" {
		return store.Org(ctx, org.ID(strings.ToLower(f.Org)))
	}
	orgs, err := store.Orgs(ctx)
	switch {
	case err != nil:
		return org.Org{}, err
	case len(orgs) == 0:
		return org.Org{}, problem.NotFound("There is no organisation yet: `ringside org create --name N --country US` makes one.")
	case len(orgs) > 1:
		return org.Org{}, problem.Invalid("org", "There are %d organisations: say which with --org; `ringside org list` shows them.", len(orgs))
	}
	return orgs[0], nil
}
