# Subscribe the deployed functions to their events. azd runs this after each deployment; by hand, set the same variables.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # a failure of az is looked at below

function Stop-Here([string[]] $Lines) {
    [Console]::Error.WriteLine($Lines -join [Environment]::NewLine)
    exit 1
}

foreach ($name in 'SYSTEM_TOPIC_ID', 'FUNCTION_APP_ID', 'OUTCOME_STORAGE_ACCOUNT_ID', 'CHAT_LEVEL') {
    if (-not [Environment]::GetEnvironmentVariable($name)) {
        Stop-Here "$name is not set: it is an output of infra/main.bicep."
    }
}

$parts = $env:SYSTEM_TOPIC_ID -split '/'
$subscription, $group, $topic = $parts[2], $parts[4], $parts[8]

if (-not (Get-Command az -ErrorAction SilentlyContinue)) {
    Stop-Here 'The Azure CLI is needed to subscribe the functions: https://aka.ms/azure-cli'
}
az account show --subscription $subscription --output none
if ($LASTEXITCODE -ne 0) {
    Stop-Here "The Azure CLI cannot use subscription ${subscription}: run az login, then this again."
}

# Event Grid does not know of a function that was just deployed, nor of a role that was just given, at once.
for ($attempt = 1; ; $attempt++) {
    $answer = az deployment group create --name event-subscriptions --output none `
        --subscription $subscription --resource-group $group `
        --template-file (Join-Path $PSScriptRoot '../event-subscriptions.bicep') `
        --parameters "systemTopicName=$topic" "functionAppId=$env:FUNCTION_APP_ID" `
        "deadLetterStorageAccountId=$env:OUTCOME_STORAGE_ACCOUNT_ID" "chatLevel=$env:CHAT_LEVEL" 2>&1 | Out-String
    if ($LASTEXITCODE -eq 0) { break }
    if ($attempt -ge 10) {
        Stop-Here $answer, "The functions are not subscribed: are they in ${env:FUNCTION_APP_ID}?"
    }
    $answer
    "Event Grid is not ready yet: trying again in 15 s ($attempt of 10)."
    Start-Sleep -Seconds 15
}
"The functions are subscribed to the events of $topic, chat level $env:CHAT_LEVEL."
