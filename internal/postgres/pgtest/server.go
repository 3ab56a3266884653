package pgtest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit bounds all that comes before the first test's database: making the cluster, starting
// it, building the template.
const startLimit = 2 * time.Minute

// server is this process's use of the shared server.
type server struct {
	dir   string   // the shared data folder
	alive *os.File // holds a share of the lock that tells the keeper that tests are running
	base  string   // URL of the maintenance database

	mu       sync.Mutex // guards admin, one statement at a time
	admin    *pgx.Conn  // holds the advisory locks that mark this process's databases as alive
	template string
}

var shared = sync.OnceValues(join)

// join starts the shared server or joins it. Nothing leaves it: when the process ends, however it
// ends, the kernel frees its locks, and the keeper notices.
func join() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	dir, err := sharedDir()
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	if s.alive, err = lockFile(dir, testsLock, syscall.LOCK_SH); err != nil {
		return nil, err
	}
	if s.base, err = startKeeper(dir); err != nil {
		return nil, err
	}
	if s.admin, err = pgx.Connect(ctx, s.base); err != nil {
		return nil, fmt.Errorf("connect to the server for tests: %w", err)
	}
	if err := s.prepareTemplate(ctx); err != nil {
		return nil, err
	}
	return s, s.sweep(ctx)
}

// sharedDir returns the folder of the shared server, made if it is missing. Its name tells users and
// checkouts apart, and boots of the machine, since without fsync no cluster survives a crash of it.
func sharedDir() (string, error) {
	checkout, err := moduleRoot()
	if err != nil {
		return "", err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = nil // not Linux: the name tells no boots apart
	}
	sum := sha256.Sum256(append([]byte(checkout+"\n"), boot...))
	dir := filepath.Join(fastDir(), fmt.Sprintf("ringside-test-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:4])))
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make a folder for the server: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at the server's folder: %w", err)
	}
	if !info.IsDir() || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s should be a folder of this user, and is not: remove it", dir)
	}
	return dir, os.Chmod(dir, 0o711) // root's server runs as another user, who has to pass
}

// memoryDir is where Linux has a file system in memory, and memoryRoom what has to be free there, in
// bytes, for the server to go there: a few times what the tests' databases take.
const (
	memoryDir  = "/dev/shm"
	memoryRoom = 4 << 30
)

// fastDir returns where the server's data goes: into memory where there is room, since making a
// database of each test takes several times as long on a disk, else among temporary files. TMPDIR
// is obeyed.
func fastDir() string {
	var memory syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(memoryDir, &memory) != nil || uint64(memory.Bavail)*uint64(memory.Bsize) < memoryRoom {
		return os.TempDir()
	}
	probe, err := os.CreateTemp(memoryDir, "ringside-test-")
	if err != nil {
		return os.TempDir()
	}
	_ = errors.Join(probe.Close(), os.Remove(probe.Name())) // it is empty
	return memoryDir
}

// moduleRoot returns the folder with go.mod above the package under test.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the checkout: no go.mod in this folder or above")
		}
		dir = parent
	}
}

// startKeeper runs this test's binary again as the keeper and returns the URL that it answers.
func startKeeper(dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the test's own binary: %w", err)
	}
	answer, stdout, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe to the keeper: %w", err)
	}
	defer answer.Close()
	keeper := exec.Command(self)
	keeper.Dir = "/" // it may outlive the checkout
	keeper.Env = append(os.Environ(), keeperVariable+"="+dir)
	keeper.Stdout = stdout
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = keeper.Start()
	stdout.Close()
	if err != nil {
		return "", fmt.Errorf("start the keeper of the server: %w", err)
	}
	line, err := bufio.NewReader(answer).ReadString('\n')
	if err != nil {
		return "", errors.New("the keeper of the server ended without an answer")
	}
	if err := keeper.Process.Release(); err != nil {
		return "", fmt.Errorf("let the keeper go: %w", err)
	}
	line = strings.TrimSuffix(line, "\n")
	if url, ok := strings.CutPrefix(line, answerURL); ok {
		return url, nil
	}
	return "", errors.New(strings.TrimPrefix(line, answerError))
}

// url returns the URL of another database of the server.
func (s *server) url(database string) (string, error) {
	u, err := url.Parse(s.base)
	if err != nil {
		return "", fmt.Errorf("read the server's URL: %w", err)
	}
	u.Path = "/" + database
	return u.String(), nil
}

// lockFile opens a lock file in dir and waits for the lock. Closing the file frees it.
func lockFile(dir, name string, how int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock %s: %w", name, err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, file.Close())
		}
	}
}
