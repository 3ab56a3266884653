package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that the server runs as: PostgreSQL refuses to run as root.
type account struct {
	uid, gid uint32
	// other is true where this process is root and the server is somebody else.
	other bool
}

// serverAccount returns whoever runs this program, or, for root, the owner of the cluster if there
// is one, else the user postgres, else nobody.
func serverAccount(cluster string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	if info, err := os.Stat(cluster); err == nil {
		if owner := ownerOf(info); owner.uid != 0 {
			return owner, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			return numericAccount(found)
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is no user named postgres or nobody to run it: " +
		"create one, or run Ringside as an ordinary user")
}

func numericAccount(u *user.User) (account, error) {
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("read the ids of the user %s: %w", u.Username, err)
	}
	return account{uid: uint32(uid), gid: uint32(gid), other: true}, nil
}

func ownerOf(info fs.FileInfo) account {
	stat := info.Sys().(*syscall.Stat_t)
	return account{uid: stat.Uid, gid: stat.Gid, other: int(stat.Uid) != os.Geteuid()}
}

// command prepares a program that runs as the account, apart from our terminal and with nothing of
// our environment that it does not need: the server is not to know our secrets.
func (a account) command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = "/" // ours may be closed to the account
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	if libraries, ok := os.LookupEnv("LD_LIBRARY_PATH"); ok {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+libraries)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// own hands a folder that root has made to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to the server's user: %w", path, err)
	}
	return nil
}

// barrier returns the first folder on the way to dir, dir included, that the account may not
// pass, or "" if it can get there. It goes by permission bits and knows nothing of access lists,
// so it errs towards a barrier.
func (a account) barrier(dir string) (string, error) {
	if !a.other {
		return "", nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if found, err := a.barrier(parent); found != "" || err != nil {
			return found, err
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", dir, err)
	}
	owner, may := ownerOf(info), fs.FileMode(0o001)
	switch {
	case owner.uid == a.uid:
		may = 0o100
	case owner.gid == a.gid:
		may = 0o010
	}
	if info.Mode().Perm()&may == 0 {
		return dir, nil
	}
	return "", nil
}
