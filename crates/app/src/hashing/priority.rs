//! Hashing yields to everything else on the machine.

/// Lowers the calling thread to the idle class, or at least to the highest nice value. The error is for the log:
/// hashing works without.
#[cfg(target_os = "linux")]
pub(super) fn lower() -> Result<(), thread_priority::Error> {
    use thread_priority::{
        NormalThreadSchedulePolicy::{Idle, Other},
        ThreadPriority::Min,
        ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };
    let thread = thread_native_id();
    let idle = set_thread_priority_and_policy(thread, Min, Normal(Idle));
    // It also sets nice to 0, which is refused to a process that was started nice: the class has changed all the same.
    if idle.is_ok() || thread_schedule_policy() == Ok(Normal(Idle)) {
        return Ok(());
    }
    set_thread_priority_and_policy(thread, Min, Normal(Other))
}

/// Other systems schedule hashing like the rest.
#[cfg(not(target_os = "linux"))]
pub(super) fn lower() -> Result<(), thread_priority::Error> {
    Ok(())
}
