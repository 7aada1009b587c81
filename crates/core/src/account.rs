//! Who may do what in an account: owners everything, admins everything but what concerns owners, others nothing.
//! That an owner stays is decided by the database, where two who leave at once meet.

use crate::user::Role;

/// Longest name of an account.
pub const LONGEST_NAME: usize = 100;

/// Whether `role` may change an account: its name, its members, its invites.
pub fn manages(role: &Role) -> bool {
    owns(role) || role.as_str() == Role::ADMIN
}

/// Whether `role` owns an account.
pub fn owns(role: &Role) -> bool {
    role.as_str() == Role::OWNER
}

/// Whether `actor` may do something to a member with `role`, or make somebody one.
pub fn may_touch(actor: &Role, role: &Role) -> bool {
    owns(actor) || (manages(actor) && !owns(role))
}

/// Whether `actor` may give a member who is `from` the role `to`.
pub fn may_change_role(actor: &Role, from: &Role, to: &Role) -> bool {
    may_touch(actor, from) && may_touch(actor, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may() {
        let role = Role::from_stored;
        for (actor, from, to, may) in [
            ("owner", "owner", "member", true),
            ("owner", "member", "owner", true),
            ("admin", "member", "admin", true),
            ("admin", "admin", "engineer", true),
            ("admin", "owner", "member", false),
            ("admin", "member", "owner", false),
            ("admin", "owner", "owner", false),
            ("member", "member", "viewer", false),
            ("engineer", "member", "viewer", false),
        ] {
            assert_eq!(may_change_role(&role(actor), &role(from), &role(to)), may, "{actor}: {from} to {to}");
        }
        assert!(manages(&role("owner")) && manages(&role("admin")) && !manages(&role("member")));
    }
}
